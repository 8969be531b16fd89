"""Where a request is taken in: the shape every host gives it, how many may be inside, and the runtime that counts them."""
