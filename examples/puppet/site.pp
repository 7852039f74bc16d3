# In this example, facts from the command line set both paths. On a real host, write them here.
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
