package recipes_test

import (
	"testing"

	"go.yaml.in/yaml/v4"
)

func yamlOf(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
