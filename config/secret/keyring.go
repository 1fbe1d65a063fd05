package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// sealedPrefix marks a ciphertext and its version.
	sealedPrefix = "enc1:"

	keyBytes = 32 // AES-256.

	// derivationInfo separates our key from everything else that Plausible
	// derives from SECRET_KEY_BASE. It is part of the stored format.
	derivationInfo = "plausible-webhooks secrets at rest v1"
)

// Keyring encrypts and decrypts secrets at rest (deploy/REFERENCE.md section 3). The zero
// value holds no key. A Keyring is immutable and safe for concurrent use.
type Keyring struct {
	current string // Key id of the key that seals; empty: none.
	keys    map[string]cipher.AEAD
}

// NewKeyring builds the keyring of WEBHOOKS_SECRET_KEY (base64 of 32 bytes) and
// SECRET_KEY_BASE, from which a key is derived. Either may be empty. The first
// is preferred for sealing; both open.
func NewKeyring(secretKey, secretKeyBase Text) (Keyring, error) {
	ring := Keyring{keys: make(map[string]cipher.AEAD)}
	if !secretKeyBase.Empty() {
		derived, err := hkdf.Key(sha256.New, []byte(secretKeyBase.Reveal()), nil, derivationInfo, keyBytes)
		if err != nil {
			return Keyring{}, fmt.Errorf("derive a key from SECRET_KEY_BASE: %w", err)
		}
		if err := ring.add(derived); err != nil {
			return Keyring{}, err
		}
	}
	if !secretKey.Empty() {
		key, err := decodeKey(secretKey.Reveal())
		if err != nil {
			return Keyring{}, err
		}
		if err := ring.add(key); err != nil {
			return Keyring{}, err
		}
	}
	return ring, nil
}

// add puts a key into the ring and makes it the one that seals.
func (k *Keyring) add(key []byte) error {
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("make a cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return fmt.Errorf("make a cipher: %w", err)
	}
	k.current = keyID(key)
	k.keys[k.current] = aead
	return nil
}

// Empty reports whether there is no key, so that Seal leaves texts as they are.
func (k Keyring) Empty() bool { return len(k.keys) == 0 }

// KeyID names the key that seals; empty without one. It tells nothing of the
// key itself.
func (k Keyring) KeyID() string { return k.current }

// Seal encrypts a secret for one column of one row. Without a key it returns
// the plain text, and the empty text stays empty. A text that is sealed already
// is an error.
func (k Keyring) Seal(plain Text, table, column string, id int64) (string, error) {
	return k.seal(plain, place{table: table, column: column, id: id})
}

// SealMember is Seal for one member of a JSON object that a column holds: the
// ciphertext is bound to the member's name as well, so that two members cannot
// be exchanged.
func (k Keyring) SealMember(plain Text, table, column string, id int64, member string) (string, error) {
	return k.seal(plain, place{table, column, id, &member})
}

func (k Keyring) seal(plain Text, at place) (string, error) {
	switch {
	case Sealed(plain.Reveal()):
		return "", fmt.Errorf("seal %s: it is sealed already", at)
	case k.Empty() || plain.Empty():
		return plain.Reveal(), nil
	}
	ciphertext := k.keys[k.current].Seal(nil, nil, []byte(plain.Reveal()), at.associated())
	return sealedPrefix + k.current + ":" + base64.StdEncoding.EncodeToString(ciphertext), nil
}

// Open decrypts what Seal made for the same column of the same row; a plain
// text passes through. The errors are a *KeyMissingError (which is
// ErrKeyMissing) and ErrDamaged.
func (k Keyring) Open(stored, table, column string, id int64) (Text, error) {
	return k.open(stored, place{table: table, column: column, id: id})
}

// OpenMember is Open for what SealMember made.
func (k Keyring) OpenMember(stored, table, column string, id int64, member string) (Text, error) {
	return k.open(stored, place{table, column, id, &member})
}

func (k Keyring) open(stored string, at place) (Text, error) {
	if !Sealed(stored) {
		return New(stored), nil
	}
	keyID, encoded, ok := strings.Cut(strings.TrimPrefix(stored, sealedPrefix), ":")
	if !ok || !isKeyID(keyID) {
		return Text{}, fmt.Errorf("open %s: %w", at, ErrDamaged)
	}
	aead, ok := k.keys[keyID]
	if !ok {
		return Text{}, fmt.Errorf("open %s: %w", at, &KeyMissingError{KeyID: keyID})
	}
	ciphertext, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Text{}, fmt.Errorf("open %s: %w", at, ErrDamaged)
	}
	plain, err := aead.Open(nil, nil, ciphertext, at.associated())
	if err != nil {
		return Text{}, fmt.Errorf("open %s: %w", at, ErrDamaged)
	}
	return New(string(plain)), nil
}

// Sealed reports whether a stored text is a ciphertext, whole or damaged.
func Sealed(stored string) bool { return strings.HasPrefix(stored, sealedPrefix) }

// ErrDamaged means that a ciphertext was changed, cut short, or moved to
// another row or column.
var ErrDamaged = errors.New("the encrypted secret is damaged or belongs to another row: make a new one with `plausible-webhooks webhook rotate-secret`")

// ErrKeyMissing matches every *KeyMissingError.
var ErrKeyMissing = errors.New("the key of the encrypted secret is not set")

// KeyMissingError means that a ciphertext was made with a key that is neither
// WEBHOOKS_SECRET_KEY nor derived from SECRET_KEY_BASE.
type KeyMissingError struct {
	KeyID string // As in the ciphertext.
}

func (e *KeyMissingError) Error() string {
	return fmt.Sprintf("the secret is encrypted with key %s, which is not set: set WEBHOOKS_SECRET_KEY or SECRET_KEY_BASE to what it was when the secret was stored, or make a new secret with `plausible-webhooks webhook rotate-secret`", e.KeyID)
}

// Is makes every KeyMissingError match ErrKeyMissing.
func (e *KeyMissingError) Is(target error) bool { return target == ErrKeyMissing }

// place is what a ciphertext is bound to.
type place struct {
	table, column string
	id            int64
	member        *string // Nil where the column itself holds the secret.
}

// associated is part of the stored format. Names of tables and columns hold no
// NUL and a number is written without one, so that no two places share an
// encoding, whatever a member's name holds.
func (p place) associated() []byte {
	data := fmt.Appendf(nil, "%s\x00%s\x00%d", p.table, p.column, p.id)
	if p.member != nil {
		data = append(append(data, 0), *p.member...)
	}
	return data
}

func (p place) String() string {
	return fmt.Sprintf("%s.%s of row %d", p.table, p.column, p.id)
}

const keyIDBytes = 6

// keyID is a short hash of a key: 48 bits tell an operator's few keys apart and
// are no help in finding one of 256 bits.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("plausible-webhooks key id\x00"), key...))
	return hex.EncodeToString(sum[:keyIDBytes])
}

func isKeyID(s string) bool {
	decoded, err := hex.DecodeString(s)
	return err == nil && len(decoded) == keyIDBytes && s == strings.ToLower(s)
}

// decodeKey takes standard and URL-safe base64, padded or not, since the tools
// that make keys differ.
func decodeKey(encoded string) ([]byte, error) {
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(encoded)), "=")
	key, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil || len(key) != keyBytes {
		return nil, errors.New("want base64 of 32 bytes, as `openssl rand -base64 32` prints it")
	}
	return key, nil
}
