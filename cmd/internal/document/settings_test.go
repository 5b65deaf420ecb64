package document

import "testing"

func TestSharedSettingsAreDocumented(t *testing.T) {
	new(describer).hold(t, new(kafka), "kafka")
	new(describer).hold(t, new(redis), "redis")
}
