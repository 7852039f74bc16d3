base:
  '*': [wheels]
