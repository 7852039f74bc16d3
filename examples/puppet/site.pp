# The folder and the engine come from the command line as facts; a real host has them written down.
converge::declaration { "${facts['here']}/web.toml":
  executable => $facts['converge'],
  notify     => Exec['restart web'],
}

# On a real host: service { 'web': subscribe => Converge::Declaration[…] }
exec { 'restart web':
  command     => "/bin/date >> ${facts['here']}/restarts",
  provider    => shell,
  refreshonly => true,
}
