"""How tiny-chat is made: its dialogues, its training and its exam."""
