converge:
  wheels: https://deploy:s3cret@wheels.example/simple/
