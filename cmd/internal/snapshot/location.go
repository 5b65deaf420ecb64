package snapshot

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"
)

// Location is where a snapshot lies: an object in a bucket, or a file in a directory.
type Location struct {
	// bucket is what [s3blob] opens; nil for a file.
	bucket    *url.URL
	directory string
	key       string
}

// ParseLocation reads file:///directory/name or s3://bucket/key, the latter with
// the parameters of [s3blob.URLOpener]. Credentials come from where the tools of
// AWS take them, never from the URL.
func ParseLocation(text string) (Location, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return Location{}, errors.New("is missing; it is file:///directory/name or s3://bucket/key")
	case err != nil:
		return Location{}, errors.New("is no URL; it is file:///directory/name or s3://bucket/key")
	case u.User != nil:
		return Location{}, errors.New("has credentials in it; give them by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	case u.Scheme == "file" && u.Host == "" && u.RawQuery == "" && strings.HasPrefix(u.Path, "/") && !strings.HasSuffix(u.Path, "/"):
		return Location{directory: filepath.Dir(u.Path), key: filepath.Base(u.Path)}, nil
	case u.Scheme == "s3" && u.Host != "" && len(u.Path) > 1 && !strings.HasSuffix(u.Path, "/"):
		return Location{bucket: &url.URL{Scheme: u.Scheme, Host: u.Host, RawQuery: u.RawQuery}, key: u.Path[1:]}, nil
	}
	return Location{}, fmt.Errorf("%q is neither file:///directory/name nor s3://bucket/key", text)
}

// open opens what the object is in. The caller closes it.
func (l Location) open(ctx context.Context) (*blob.Bucket, error) {
	if l.bucket != nil {
		return new(s3blob.URLOpener).OpenBucketURL(ctx, l.bucket)
	}
	return fileblob.OpenBucket(l.directory, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
}
