"""Parts of the Play screen: score, keyboard, transport, steering, picture and status."""
