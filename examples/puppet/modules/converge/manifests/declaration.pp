# Apply a converge declaration.
#
# @param path        declaration file, or directory of declaration files
# @param executable  path of the converge command
# @param environment environment variables, such as index URLs: ['WHEELS=https://…']
define converge::declaration (
  String $path = $title,
  String $executable = '/usr/local/bin/converge',
  Array[String] $environment = [],
) {
  exec { "converge apply ${path}":
    command     => [$executable, 'apply', $path, '--quiet'],
    # check exits with 0 (no drift), 2 (drift), or 1 (error). On an error, apply runs and reports the cause.
    unless      => [[$executable, 'check', $path, '--quiet']],
    environment => $environment,
    timeout     => 1800,
    logoutput   => on_failure,
  }
}
