"""What a project holds on its disk: is it whole, what does it weigh, throwing it away and making it again."""
