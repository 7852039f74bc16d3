private:
  converge.applied:
    - declaration:
        venv:
          private:
            path: {{ grains['cwd'] }}/venvs/private
            packages: [app==1.0]
            index-url: env:WHEELS
    - secrets:
        WHEELS: converge:wheels
