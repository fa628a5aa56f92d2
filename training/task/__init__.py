"""The task a question sets: snapshots of entities, what happened next, and the splits."""
