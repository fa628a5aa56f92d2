"""Languages: message catalogues, titles of features, sentences of reasons."""
