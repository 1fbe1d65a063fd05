package front

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
)

// maxFieldSize is http_max_field_value_size, above which a server refuses a value of the URL.
const maxFieldSize = 128 << 10

// transport are URL values that concern the request and are no settings.
var transport = map[string]bool{
	"query": true, "database": true, "default_format": true, "query_id": true,
	"user": true, "password": true, "quota_key": true, "role": true,
	"session_id": true, "session_timeout": true, "session_check": true,
	"compress": true, "decompress": true, "client_protocol_version": true,
	"wait_end_of_query": true, "buffer_size": true, "stacktrace": true, "close_session": true,
}

// read makes a statement of the request. Files that it wrote into folder are
// removed by the returned function, which is never nil.
func read(r *http.Request, folder string) (s statement, remove func(), err error) {
	var files []string
	remove = func() {
		for _, file := range files {
			_ = os.Remove(file)
		}
	}
	save := func(data io.Reader) (string, error) {
		file, err := os.CreateTemp(folder, "body-")
		if err != nil {
			return "", fmt.Errorf("keep a request body: %w", err)
		}
		files = append(files, file.Name())
		_, err = io.Copy(file, data)
		return file.Name(), errors.Join(err, file.Close())
	}

	values := r.URL.Query()
	for name := range values {
		if len(values.Get(name)) > maxFieldSize {
			return s, remove, Exception{1000, fmt.Sprintf("value of %s in the URL is longer than %d bytes (POCO_EXCEPTION)", name, maxFieldSize)}
		}
	}
	s = statement{
		query:    values.Get("query"),
		id:       values.Get("query_id"),
		database: first(values.Get("database"), r.Header.Get("X-ClickHouse-Database")),
		format:   first(values.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated"),
		compress: values.Get("compress") == "1",
		settings: map[string]string{},
		params:   map[string]string{},
	}
	if s.readonly, err = readonlyLevel(r, values); err != nil {
		return s, remove, err
	}
	if r.Method == http.MethodGet && s.readonly == "" {
		s.readonly = "2"
	}

	body, err := decoded(r, values.Get("decompress") == "1")
	if err != nil {
		return s, remove, err
	}
	if kind, options, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" {
		if err := s.readParts(multipart.NewReader(body, options["boundary"]), values, save); err != nil {
			return s, remove, err
		}
	} else if takesUpload(s.query) {
		if s.upload, err = save(body); err != nil {
			return s, remove, fmt.Errorf("read the data to insert: %w", err)
		}
	} else {
		rest, err := io.ReadAll(body)
		if err != nil {
			return s, remove, fmt.Errorf("read the query: %w", err)
		}
		s.query = strings.TrimPrefix(s.query+"\n"+string(rest), "\n")
	}

	for key := range values {
		switch param, isParam := strings.CutPrefix(key, "param_"); {
		case transport[key]:
		case isParam && name.MatchString(param):
			s.params[param] = values.Get(key)
		case name.MatchString(key):
			s.settings[key] = values.Get(key)
		default:
			return s, remove, Exception{115, fmt.Sprintf("Unknown setting %q. (UNKNOWN_SETTING)", key)}
		}
	}
	return s, remove, nil
}

// readParts reads external tables and fields of a form. A part is a
// table if values hold its structure; clickhouse-go sends tables with an empty file
// name, so the name cannot tell.
func (s *statement) readParts(parts *multipart.Reader, values url.Values, save func(io.Reader) (string, error)) error {
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the parts of the request: %w", err)
		}
		field := part.FormName()
		structure := values.Get(field + "_structure")
		if structure == "" {
			data, err := io.ReadAll(part)
			if err != nil {
				return fmt.Errorf("read the part %q: %w", field, err)
			}
			if field == "query" {
				s.query += string(data)
			} else {
				values.Set(field, string(data))
			}
			continue
		}
		format := first(values.Get(field+"_format"), "TabSeparated")
		if !name.MatchString(field) || !name.MatchString(format) {
			return Exception{36, fmt.Sprintf("external table %q or its format %q is not an identifier. (BAD_ARGUMENTS)", field, format)}
		}
		file, err := save(part)
		if err != nil {
			return fmt.Errorf("read the external table %q: %w", field, err)
		}
		s.external = append(s.external, externalTable{name: field, structure: structure, format: format, file: file})
		values.Del(field + "_structure")
		values.Del(field + "_format")
	}
}

func decoded(r *http.Request, blocks bool) (io.Reader, error) {
	var body io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		plain, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("read the gzip body: %w", err)
		}
		body = plain
	default:
		return nil, Exception{48, fmt.Sprintf("Content-Encoding %q is not covered by the devstack. (NOT_IMPLEMENTED)", encoding)}
	}
	if blocks {
		body = blockReader{compress.NewReader(body)}
	}
	return body, nil
}

// blockReader ends as readers do: the one below it wraps io.EOF after the last block.
type blockReader struct{ blocks *compress.Reader }

func (r blockReader) Read(p []byte) (int, error) {
	n, err := r.blocks.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

// readonlyLevels are the users and what each has as setting readonly: 1
// refuses writes and every setting of a request, 2 refuses writes only.
var readonlyLevels = map[string]string{"default": "", "readonly": "1", "readonly2": "2"}

// readonlyLevel returns the level of the request's user. It refuses users
// that do not exist, and passwords, which no user here has.
func readonlyLevel(r *http.Request, values url.Values) (string, error) {
	user, password, _ := r.BasicAuth()
	user = first(r.Header.Get("X-ClickHouse-User"), user, values.Get("user"), "default")
	password = first(r.Header.Get("X-ClickHouse-Key"), password, values.Get("password"))
	level, known := readonlyLevels[user]
	if !known || password != "" {
		return "", Exception{516, user + ": Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"}
	}
	return level, nil
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
