{% set here = grains['cwd'] %}

{{ here }}/web.toml:
  converge.applied

restart web:
  # On a real host: service.running, with the same watch
  cmd.wait:
    - name: date >> restarts
    - cwd: {{ here }}
    - watch:
      - converge: {{ here }}/web.toml
