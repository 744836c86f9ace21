"""Random and odd input to every address of the URL map."""
