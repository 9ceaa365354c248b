# Nothing that can fail stands here: a board that cannot boot cannot be updated.
