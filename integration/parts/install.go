package parts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// find returns the path of an installed program.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	// Daemons live where the PATH of an ordinary user does not lead.
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed; run make setup", name)
}

// Root returns the root folder of the checkout that the working directory is in: the
// nearest one upwards that holds go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("root of the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("root of the checkout: no go.mod here or above; run inside the checkout")
		}
		dir = parent
	}
}
