# Apply a converge declaration: converge_declaration '/etc/converge/web.toml'
resource_name :converge_declaration
provides :converge_declaration
unified_mode true

property :path, String, name_property: true
property :executable, String, default: '/usr/local/bin/converge'
property :environment, Hash, default: {}, sensitive: true

action :apply do
  execute "converge apply #{new_resource.path}" do
    command [new_resource.executable, 'apply', new_resource.path, '--quiet']
    environment new_resource.environment
    timeout 1800
    sensitive !new_resource.environment.empty?
    # check exits with 0 (no drift), 2 (drift), or 1 (error). On an error, apply runs and reports the cause.
    not_if [new_resource.executable, 'check', new_resource.path, '--quiet'],
           environment: new_resource.environment
  end
end
