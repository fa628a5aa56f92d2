"""The linear part of the learner: a multinomial ridge on hazards."""
