"""What only Linux can do or tell: its socket tables and, one by one, its ways to lay hold of segments."""
