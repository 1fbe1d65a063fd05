package secret_test

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/secret"
)

var (
	fixedTime = time.Unix(1764000000, 0)

	keyA  = secret.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("A", 32))))
	keyB  = secret.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("B", 32))))
	base  = secret.New(strings.Repeat("plausible ", 7))
	plain = secret.New("correct horse battery staple")
)

func ring(t *testing.T, secretKey, secretKeyBase secret.Text) secret.Keyring {
	t.Helper()
	r, err := secret.NewKeyring(secretKey, secretKeyBase)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func seal(t *testing.T, r secret.Keyring) string {
	t.Helper()
	sealed, err := r.Seal(plain, "webhooks", "secret", 7)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealAndOpen(t *testing.T) {
	form := regexp.MustCompile(`^enc1:[0-9a-f]{12}:[A-Za-z0-9+/]+=*$`)
	for name, r := range map[string]secret.Keyring{"key": ring(t, keyA, secret.Text{}), "base": ring(t, secret.Text{}, base), "both": ring(t, keyA, base)} {
		first, second := seal(t, r), seal(t, r)
		if !form.MatchString(first) || !secret.Sealed(first) || !strings.HasPrefix(first, "enc1:"+r.KeyID()+":") {
			t.Errorf("%s: got %q, want enc1:<key id>:<base64>", name, first)
		}
		if first == second {
			t.Errorf("%s: sealing twice gave the same ciphertext", name)
		}
		if got, err := r.Open(first, "webhooks", "secret", 7); err != nil || !got.Equal(plain) {
			t.Errorf("%s: got %q, %v, want the plain text", name, got.Reveal(), err)
		}
	}
}

// The stored format outlives releases: these were written by the first one.
func TestOpenReadsWhatIsStored(t *testing.T) {
	for _, stored := range storedByFirstRelease {
		got, err := ring(t, keyA, base).Open(stored, "webhooks", "secret", 7)
		if err != nil || !got.Equal(plain) {
			t.Errorf("%s: got %q, %v, want the plain text", stored, got.Reveal(), err)
		}
	}
}

func TestSecretKeyIsPreferredAndTheDerivedOneStillOpens(t *testing.T) {
	derived, preferred, both := ring(t, secret.Text{}, base), ring(t, keyA, secret.Text{}), ring(t, keyA, base)
	if both.KeyID() != preferred.KeyID() || both.KeyID() == derived.KeyID() {
		t.Errorf("got key %s, want %s", both.KeyID(), preferred.KeyID())
	}
	if got, err := both.Open(seal(t, derived), "webhooks", "secret", 7); err != nil || !got.Equal(plain) {
		t.Errorf("got %q, %v, want the plain text", got.Reveal(), err)
	}
}

func TestWithoutKeyTextsStayPlain(t *testing.T) {
	for _, r := range []secret.Keyring{{}, ring(t, secret.Text{}, secret.Text{})} {
		if got := seal(t, r); !r.Empty() || got != plain.Reveal() || r.KeyID() != "" {
			t.Errorf("got %q, want the plain text", got)
		}
	}
	if r := ring(t, keyA, secret.Text{}); r.Empty() {
		t.Error("a ring with a key is empty")
	}
}

func TestOpenPassesPlainTexts(t *testing.T) {
	for _, stored := range []string{"", plain.Reveal(), "whsec_x", "enc2:x", "ENC1:x"} {
		got, err := ring(t, keyA, base).Open(stored, "webhooks", "secret", 7)
		if err != nil || got.Reveal() != stored {
			t.Errorf("%q: got %q, %v, want it unchanged", stored, got.Reveal(), err)
		}
	}
}

func TestOpenWithoutItsKey(t *testing.T) {
	sealed := seal(t, ring(t, keyA, secret.Text{}))
	for name, r := range map[string]secret.Keyring{"none": {}, "another": ring(t, keyB, base)} {
		_, err := r.Open(sealed, "webhooks", "secret", 7)
		var missing *secret.KeyMissingError
		if !errors.Is(err, secret.ErrKeyMissing) || !errors.As(err, &missing) || missing.KeyID != ring(t, keyA, secret.Text{}).KeyID() {
			t.Errorf("%s: got %v, want a KeyMissingError that names the key", name, err)
			continue
		}
		for _, want := range []string{missing.KeyID, "WEBHOOKS_SECRET_KEY", "rotate-secret", "row 7"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not mention %s", name, err, want)
			}
		}
	}
}

func TestCiphertextBelongsToItsPlace(t *testing.T) {
	r := ring(t, keyA, base)
	sealed := seal(t, r)
	for _, place := range []struct {
		table, column string
		id            int64
	}{{"webhooks", "secret", 8}, {"webhooks", "previous_secret", 7}, {"other", "secret", 7}, {"webhooks", "secret", 77}} {
		if got, err := r.Open(sealed, place.table, place.column, place.id); !errors.Is(err, secret.ErrDamaged) || !got.Empty() {
			t.Errorf("moved to %v: got %v, want ErrDamaged", place, err)
		}
	}
}

func TestMemberOfAnObject(t *testing.T) {
	r := ring(t, keyA, base)
	for _, stored := range []string{memberStoredByFirstRelease, sealMember(t, r, "x-api-key")} {
		if got, err := r.OpenMember(stored, "webhooks", "headers", 7, "x-api-key"); err != nil || !got.Equal(plain) {
			t.Errorf("%s: got %q, %v, want the plain text", stored, got.Reveal(), err)
		}
		for _, other := range []string{"x-api-kez", "", "x-api-key\x00"} {
			if got, err := r.OpenMember(stored, "webhooks", "headers", 7, other); !errors.Is(err, secret.ErrDamaged) || !got.Empty() {
				t.Errorf("under the name %q: got %v, want ErrDamaged", other, err)
			}
		}
		if _, err := r.Open(stored, "webhooks", "headers", 7); !errors.Is(err, secret.ErrDamaged) {
			t.Errorf("as the column itself: got %v, want ErrDamaged", err)
		}
		if _, err := r.OpenMember(stored, "webhooks", "headers", 8, "x-api-key"); !errors.Is(err, secret.ErrDamaged) {
			t.Errorf("in another row: got %v, want ErrDamaged", err)
		}
		if _, err := ring(t, keyB, base).OpenMember(stored, "webhooks", "headers", 7, "x-api-key"); !errors.Is(err, secret.ErrKeyMissing) {
			t.Errorf("without its key: got %v, want ErrKeyMissing", err)
		}
	}
	if _, err := r.SealMember(secret.New(memberStoredByFirstRelease), "webhooks", "headers", 7, "x-api-key"); err == nil {
		t.Error("a ciphertext was sealed again")
	}
	// A member without a name is not the column itself.
	if _, err := r.Open(sealMember(t, r, ""), "webhooks", "headers", 7); !errors.Is(err, secret.ErrDamaged) {
		t.Errorf("a member without a name opened as the column: %v", err)
	}
}

func sealMember(t *testing.T, r secret.Keyring, member string) string {
	t.Helper()
	sealed, err := r.SealMember(plain, "webhooks", "headers", 7, member)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestTamperedCiphertext(t *testing.T) {
	r := ring(t, keyA, base)
	sealed := seal(t, r)
	start := strings.LastIndex(sealed, ":") + 1
	raw, err := base64.StdEncoding.DecodeString(sealed[start:])
	if err != nil {
		t.Fatal(err)
	}
	damaged := []string{"enc1:", "enc1:x", "enc1::", sealed[:start], sealed[:len(sealed)-1], sealed + "A", sealed[:start] + "!", strings.ToUpper(sealed[:start]) + sealed[start:], "enc1:" + r.KeyID()}
	for i := range raw {
		flipped := append([]byte(nil), raw...)
		flipped[i] ^= 1
		damaged = append(damaged, sealed[:start]+base64.StdEncoding.EncodeToString(flipped), sealed[:start]+base64.StdEncoding.EncodeToString(raw[:i]))
	}
	for _, stored := range damaged {
		got, err := r.Open(stored, "webhooks", "secret", 7)
		if strings.HasPrefix(stored, "enc1:") && (err == nil || !got.Empty()) {
			t.Errorf("%q opened", stored)
		}
		if err != nil && strings.Contains(err.Error(), plain.Reveal()) {
			t.Errorf("%v shows the secret", err)
		}
	}
}

func TestSealRefusesWhatIsSealed(t *testing.T) {
	r := ring(t, keyA, base)
	if _, err := r.Seal(secret.New(seal(t, r)), "webhooks", "secret", 7); err == nil {
		t.Error("a ciphertext was sealed again")
	}
}

func TestNewKeyringReadsBase64(t *testing.T) {
	key := []byte(strings.Repeat("\xfb\xff", 16))
	want := ring(t, secret.New(base64.StdEncoding.EncodeToString(key)), secret.Text{}).KeyID()
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if got := ring(t, secret.New(encoding.EncodeToString(key)), secret.Text{}).KeyID(); got != want {
			t.Errorf("got key %s, want %s", got, want)
		}
	}
	for _, bad := range []string{"x", base64.StdEncoding.EncodeToString(key[:31]), base64.StdEncoding.EncodeToString(append(key, 1)), strings.Repeat("!", 44)} {
		if _, err := secret.NewKeyring(secret.New(bad), base); err == nil || strings.Contains(err.Error(), bad) && bad != "x" {
			t.Errorf("%q: got %v, want an error that does not quote it", bad, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	r, err := secret.NewKeyring(keyA, base)
	if err != nil {
		f.Fatal(err)
	}
	// Each process that fuzzes must know the same ciphertext.
	sealed := storedByFirstRelease[0]
	for _, seed := range []string{"", "enc1:", "enc1:a:b", plain.Reveal(), sealed, sealed[:len(sealed)-4]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stored string) {
		got, err := r.Open(stored, "webhooks", "secret", 7)
		switch {
		case !secret.Sealed(stored):
			if err != nil || got.Reveal() != stored {
				t.Errorf("plain %q: got %q, %v", stored, got.Reveal(), err)
			}
		case err == nil:
			if stored != sealed || !got.Equal(plain) {
				t.Errorf("%q opened to something that was never sealed", stored)
			}
		case !errors.Is(err, secret.ErrDamaged) && !errors.Is(err, secret.ErrKeyMissing):
			t.Errorf("%q: got %v, want ErrDamaged or ErrKeyMissing", stored, err)
		}
	})
}
