"""What becomes of a request after an upgrade: the accept and its options, the WebSocket, and the frames it is carried by."""
