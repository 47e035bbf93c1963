"""What a program really does: its gradients, its graph, its layers, and where something is lost."""
