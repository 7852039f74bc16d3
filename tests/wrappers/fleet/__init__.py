"""Rollouts with Ansible and Salt to several hosts, which are namespaces on one machine."""
