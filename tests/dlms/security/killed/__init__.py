"""Client and server that are killed in the midst of protected exchanges, and the recorder between them."""
