"""Full screens on a terminal, drawn by textual."""
