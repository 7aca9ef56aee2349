package parts

import (
	"embed"
	"fmt"
	"os"
	"text/template"
)

//go:embed templates
var templates embed.FS

// render writes a configuration file from the template of that name.
func render(file, name string, data any) error {
	parsed, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	defer out.Close()
	if err := parsed.Execute(out, data); err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	return out.Close()
}
