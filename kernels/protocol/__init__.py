"""The OpenAI shapes: request, completion, events, our `x_modelhub` extension, and what each engine honours."""
