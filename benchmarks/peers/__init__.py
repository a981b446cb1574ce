"""What this project is measured against, each as its own users would run it."""
