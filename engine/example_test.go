package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// The report says what an image is, and what opening it would pull in.
func ExampleEngine_Inspect() {
	ctx := context.Background()
	eng, err := engine.New(ctx, engine.NewConfig())
	if err != nil {
		log.Fatal(err)
	}
	defer eng.Close(ctx)

	image := images.Qcow2(images.Backing("/etc/passwd"))
	report, err := eng.Inspect(ctx, engine.ReaderAt(bytes.NewReader(image), int64(len(image))))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Format, report.VirtualSize, report.Accepted)
	for _, r := range report.References {
		fmt.Printf("%s %s at %d\n", r.Kind, r.Target, r.Offset)
	}
	// Output:
	// qcow2 1048576 false
	// backing-file /etc/passwd at 112
}

// Only an image that was accepted can be converted.
func ExampleEngine_Convert() {
	ctx := context.Background()
	eng, err := engine.New(ctx, engine.NewConfig())
	if err != nil {
		log.Fatal(err)
	}
	defer eng.Close(ctx)

	src, err := os.Open("upload.qcow2")
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()
	if err := vetAndConvert(ctx, eng, src, "disk.raw"); err != nil {
		log.Fatal(err)
	}
}

func vetAndConvert(ctx context.Context, eng *engine.Engine, src *os.File, dst string) error {
	image, err := eng.Vet(ctx, engine.File(src), engine.Claim("qcow2"))
	if err != nil {
		return err // a *engine.RejectedError says why, and where in the file
	}
	defer image.Close()
	_, err = eng.Convert(ctx, image, engine.ToFile(dst), engine.ConvertOptions{To: "raw"})
	return err
}
