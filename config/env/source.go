package env

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultConfigDir is Plausible's own default of CONFIG_DIR
// (config/runtime.exs).
const defaultConfigDir = "/run/secrets"

// Source is where settings are read from.
type Source struct {
	// Environ are the variables, as os.Environ returns them.
	Environ []string

	// ReadFile reads a file of CONFIG_DIR or a file of certificates, and
	// ReadDir lists CONFIG_DIR. Nil: there are no files.
	ReadFile func(name string) ([]byte, error)
	ReadDir  func(name string) ([]fs.DirEntry, error)
}

// FromOS is the source of a running program.
func FromOS() Source {
	return Source{Environ: os.Environ(), ReadFile: os.ReadFile, ReadDir: os.ReadDir}
}

func (s Source) readFile(name string) ([]byte, error) {
	if s.ReadFile == nil {
		return nil, fs.ErrNotExist
	}
	return s.ReadFile(name)
}

// values returns each known variable that is set and not empty, and the names
// of all that are there, known or not.
func (s Source) values(known []string, mistakes *Mistakes) (values map[string]string, present []string) {
	values = make(map[string]string)
	for _, entry := range s.Environ {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
		present = append(present, name)
	}
	dir := strings.TrimSpace(values["CONFIG_DIR"])
	if dir == "" {
		dir = defaultConfigDir
	}
	if s.ReadDir != nil {
		// A directory that may not be listed can still hold readable files.
		entries, _ := s.ReadDir(dir)
		for _, entry := range entries {
			present = append(present, entry.Name())
		}
	}
	wanted := make(map[string]string)
	for _, name := range known {
		value, err := s.fileOr(filepath.Join(dir, name), values[name])
		if err != nil {
			mistakes.add(name, "", "the file "+filepath.Join(dir, name)+", which stands in for the variable, to be readable: "+cause(err))
			continue
		}
		// The library takes an empty variable without a default for a value.
		if strings.TrimSpace(value) != "" {
			wanted[name] = value
		}
	}
	return wanted, present
}

// fileOr returns the trimmed content of a file, or the value where there is no
// such file.
func (s Source) fileOr(path, value string) (string, error) {
	content, err := s.readFile(path)
	switch {
	case err == nil:
		return strings.TrimSpace(string(content)), nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return value, nil
	default:
		return "", err
	}
}

// cause is an error of a file without the path, which stands elsewhere.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
