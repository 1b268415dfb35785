"""The dispatcher 调度: what was asked, what was decided, and who is told."""
