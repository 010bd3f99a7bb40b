"""The local page and the JSON API: routes that parse, call `app`, and render. FastAPI is imported here alone."""
