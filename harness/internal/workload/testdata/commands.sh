curl 'https://api.example/search?q=a%20b' -H 'Accept: application/json' --compressed
curl -sS -XPUT https://api.example/users/7 --json '{"name":"it'\''s"}'
curl -u ada:1815 https://api.example/me
curl -F photo=@me.png https://api.example/photo
