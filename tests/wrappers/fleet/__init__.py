"""Several hosts on one machine: the rollouts that Ansible and Salt do with the wrappers."""
