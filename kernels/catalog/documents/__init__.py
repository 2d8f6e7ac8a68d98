"""Documents that describe models: read with patience, written strictly."""
