package plugin

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestAKeyIsNotTakenAfterItsEnd(t *testing.T) {
	of := entity.Ref{ID: "c"}
	d := NewDirectory(&entity.Config{
		Consumers: []entity.Consumer{{ID: "c"}},
		KeyAuths: []entity.KeyAuth{
			{ID: "1", Key: "over", Consumer: of, ExpiresAt: time.Now().UnixMilli()},
			{ID: "2", Key: "not yet", Consumer: of, ExpiresAt: time.Now().Add(time.Hour).UnixMilli()},
			{ID: "3", Key: "never", Consumer: of},
		},
	})
	for key, want := range map[string]bool{"over": false, "not yet": true, "never": true} {
		if _, ok := d.Key([]byte(key)); ok != want {
			t.Errorf("%s: taken is %t", key, ok)
		}
	}
}

func TestAConsumersIDHasManySpellings(t *testing.T) {
	d := NewDirectory(&entity.Config{Consumers: []entity.Consumer{
		{ID: "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01", Username: "a name of as many letters as an id has"[:36]},
	}})
	for name, want := range map[string]bool{
		"0A6F1C4E-27C3-4C0B-9B45-7B7B5F2C5D01": true,
		"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01": true,
		"a name of as many letters as an id h": true,
		"A name of as many letters as an id h": false,
	} {
		if _, ok := d.Consumer(name); ok != want {
			t.Errorf("%s: found is %t", name, ok)
		}
	}
}
