# A declaration that the host is made to be.
#
# @param path        the declaration, or a folder of them
# @param executable  the engine
# @param environment for index credentials, as ['WHEELS=https://…']
define converge::declaration (
  String $path = $title,
  String $executable = '/usr/local/bin/converge',
  Array[String] $environment = [],
) {
  exec { "converge apply ${path}":
    command     => [$executable, 'apply', $path, '--quiet'],
    # 0 is converged, 2 is drift, 1 is an error: all but 0 run the command, which then fails with reasons.
    unless      => [[$executable, 'check', $path, '--quiet']],
    environment => $environment,
    timeout     => 1800,
    logoutput   => on_failure,
  }
}
