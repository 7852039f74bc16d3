converge_declaration '/etc/converge/web.toml' do
  notifies :restart, 'service[web]'
end

service 'web' do
  action :nothing
end
