"""Text in, scores out: plugins, model versions, runtimes and the workers that hold them."""
