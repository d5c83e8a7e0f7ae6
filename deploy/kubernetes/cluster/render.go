package main

import (
	"embed"
	"os"
	"text/template"
)

//go:embed templates
var templates embed.FS

// render writes a file of a template.
func (c cluster) render(name, to string, values map[string]any) error {
	t, err := template.New(name).Option("missingkey=error").ParseFS(templates, "templates/"+name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.Execute(f, values); err != nil {
		return err
	}
	return f.Close()
}
