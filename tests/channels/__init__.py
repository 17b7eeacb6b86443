"""Ways to reach people, against small far ends that speak their protocols."""
