web without a module:
  cmd.run:
    - name: converge apply {{ grains['cwd'] }}/web.toml --json --quiet
    - stateful:
      - test_name: converge plan {{ grains['cwd'] }}/web.toml --json --quiet
