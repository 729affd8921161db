// SPDX-License-Identifier: BSL-1.0

// A Go program with C in it that crashes as it is told. Usage: victim CASE COUNT [LIBRARY]
//
// It recovers from COUNT nil pointers before. Eight goroutines work meanwhile, four of them in C. LIBRARY is loaded into the running program; LASTCPU_TEST_EARLY names
// one that a constructor of the C part loads before the runtime begins.
package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int load(const char* path) {
  if (dlopen(path, RTLD_NOW) != NULL) return 1;
  fprintf(stderr, "%s\n", dlerror());
  return 0;
}
__attribute__((constructor)) static void load_early(void) {
  const char* path = getenv("LASTCPU_TEST_EARLY");
  if (path != NULL) load(path);
}
__attribute__((noinline)) static void crash_in_c(void) { *(volatile int*)16 = 1; }
__attribute__((noinline)) static void abort_in_c(void) { abort(); }
static void idle_in_c(void) {
  for (;;) pause();
}
*/
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

type session struct {
	padding [64]byte
	user    int
}

//go:noinline
func (s *session) read() int { return s.user }

func recovers(s *session) (recovered int) {
	defer func() {
		if recover() != nil {
			recovered = 1
		}
	}()
	return s.read()
}

// On four goroutines at once.
func recoverFromNil(times int) int {
	var all sync.WaitGroup
	var counts [4]int
	for i := range counts {
		all.Add(1)
		go func(count *int) {
			defer all.Done()
			for n := 0; n < times/4; n++ {
				*count += recovers(nil)
			}
		}(&counts[i])
	}
	all.Wait()
	return counts[0] + counts[1] + counts[2] + counts[3]
}

func work() {
	for {
		_ = make([]byte, 1000)
		time.Sleep(time.Millisecond)
	}
}

func main() {
	if len(os.Args) > 3 && C.load(C.CString(os.Args[3])) == 0 {
		os.Exit(3)
	}
	for i := 0; i < 4; i++ {
		go work()
		go C.idle_in_c()
	}
	times, _ := strconv.Atoi(os.Args[2])
	fmt.Println("recovered", recoverFromNil(times))
	ends := map[string]func(){
		"recovered": func() { os.Exit(0) },
		"panic":     func() { fmt.Println((*session)(nil).read()) },
		"c":         func() { C.crash_in_c() },
		"abort":     func() { C.abort_in_c() },
	}
	go ends[os.Args[1]]()
	select {}
}
