#compdef gatherd
# zsh completion for gatherd(8)

_arguments -s -S \
    '(-c --config)'{-c+,--config=}'[the configuration file]:file:_files -g "*.yaml(-.)"' \
    - '(action)' \
    '--check-config[check the configuration and exit with 0 or 2]' \
    '--print-config[print the configuration with all defaults]' \
    '--print-schema[print a JSON Schema of the configuration]' \
    '--print-reference[print the page that documents every option]' \
    '--print-man[print the same as a manual page]' \
    {-V,--version}'[print the versions of gatherd and its libraries]' \
    {-h,--help}'[print a summary]'
