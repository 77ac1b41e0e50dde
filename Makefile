# SPDX-License-Identifier: GPL-2.0-or-later
# Builds, tests and installs rtpproxy.so for Kamailio. `make help` lists what there is.
#
# Variables, given as `make NAME=value`:
#   KAMAILIO      a Kamailio in a folder, an unpacked package or a prefix, to build for and test with, instead of the one
#                 installed
#   KAMAILIO_SRC  a source tree to take the headers from, of exactly that version, instead of Debian's source package
#   DESTDIR       a folder to install below, for packaging
#   PACKAGE_VERSION    the version of the Debian package, instead of the one made of CHANGELOG.md and the last commit
#   FIGURES, RUNS, QUICK, AGAINST    for `make bench`, explained by `make bench FIGURES=help`
#   CALLS, MINUTES, QUICK    for `make soak`: how many calls, or how long; QUICK=1: three minutes
#   HOSTS         3: `make soak` carries its calls through three Kamailios that share them, and as many real RTPProxies
#   QUICK         1: `make sanitize` and `make valgrind` run only a part
#   SANITIZE      address: the module with AddressSanitizer, in folders of its own
#   SECONDS, TARGET, CORPUS    for `make fuzz`: how long each target, only which, a folder of further seeds
#   ASYNC         1: `make demo` places its call with the asynchronous functions
#   WEBRTC        1: `make demo` has a browser call a phone, and the phone the browser; `make soak` has hundreds of calls
#                 of WebRTC at once
#   RELAY         rtpengine: `make demo` places its call through that one, not through RTPProxy; rtpproxy, rtpengine: `make
#                 soak` carries its calls through a real one
#   STRICT        0: warnings of this compiler do not stop the build
#   EMBEDDED      0: the Swift part by SwiftPM with the whole runtime, as tests and sanitizers have it, in a folder of its
#                 own; what ships is Embedded Swift: a tenth of the size, and it needs no C++ runtime

KAMAILIO ?=
KAMAILIO_SRC ?=
DESTDIR ?=
PACKAGE_VERSION ?=
STRICT ?= 1
EMBEDDED ?= $(if $(SANITIZE),0,1)
FIGURES ?=
RUNS ?=
QUICK ?=
AGAINST ?=
CALLS ?=
MINUTES ?=
ASYNC ?=
WEBRTC ?=
RELAY ?=
HOSTS ?=
SANITIZE ?=
SECONDS ?= 60
TARGET ?=
CORPUS ?=

# The newest Kamailio that is tested, besides the one installed.
NEWER := 6.0.1

# A module fits one exact Kamailio, so each Kamailio has an output folder of its own.
OUT := build$(if $(KAMAILIO),/$(patsubst kamailio-%,%,$(notdir $(abspath $(KAMAILIO)))))$(if $(SANITIZE),/$(SANITIZE),$(if $(filter 0,$(EMBEDDED)),/ordinary))
SWIFT_OUT := .build$(if $(SANITIZE),/$(SANITIZE))
MODULE := $(OUT)/rtpproxy.so
SUPPORT := scripts
MODULE_STRINGS := build/tools/module-strings

# One runtime for C and Swift: that of the toolchain.
ifeq ($(origin CC),default)
CC := $(if $(SANITIZE),clang,gcc)
endif
GLUE := $(wildcard kamailio-glue/*.c)
OBJECTS := $(GLUE:kamailio-glue/%.c=$(OUT)/glue/%.o)
# The glue for size: an INVITE takes sixty instructions more, and 18 KB are saved.
CFLAGS ?= -Os -g
# Nothing unwinds frames but debuggers, who find what they need in the file of debug symbols, of Swift's functions, too:
# 23 KB in C, 60 KB in Swift.
NO_UNWIND_TABLES := $(if $(SANITIZE),,-fno-asynchronous-unwind-tables -fno-unwind-tables)
GLUE_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(NO_UNWIND_TABLES) -fPIC -ffunction-sections -fdata-sections \
	-fmacro-prefix-map=kamailio-glue/= -Wall -Wextra $(if $(filter-out 0,$(STRICT)),-Werror) \
	$(shell pkg-config --cflags libsystemd) -IInclude -Ibuild -isystem $(OUT)/headers -include $(OUT)/kamailio.h \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE)$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
comma := ,

SWIFT_FLAGS := $(if $(filter-out 0,$(STRICT)),-Xswiftc -warnings-as-errors)
SWIFT_BUILD := swift build -c release --product RTPProxyModule $(SWIFT_FLAGS) \
	$(if $(SANITIZE),--sanitize $(SANITIZE) --build-path $(SWIFT_OUT))
ARCHIVE := $(SWIFT_OUT)/release/libRTPProxyModule.a
ARCHIVED := $(SWIFT_OUT)/release/RTPProxyModule.product/Objects.LinkFileList

# What ships: all of Sources as one module of Embedded Swift. The modules that files import by name are empty ones then.
EMBEDDED_OUT := build/embedded
EMBEDDED_MODULES := $(patsubst %,$(EMBEDDED_OUT)/%.swiftmodule,Bytes SDP ControlProtocol SharedState Transport CallControl)
EMBEDDED_SWIFT := swiftc -swift-version 6 -wmo -parse-as-library -package-name rtpproxy -suppress-warnings \
	-enable-upcoming-feature InternalImportsByDefault -enable-experimental-feature Embedded \
	$(foreach flag,$(NO_UNWIND_TABLES),-Xcc $(flag))
# No loop is unrolled or made one of vectors that does not have a fixed number of rounds: none of a call has so many that
# it takes fewer instructions then, and there are some fifty in which an array grows. That saves 24 KB.
LOOP_FLAGS := -unroll-runtime=false -vectorize-loops=false
SWIFT_SOURCES := $(sort $(shell find Sources -name '*.swift'))

LINK_FLAGS := --version-script=kamailio-glue/exports.map --exclude-libs=ALL --gc-sections --build-id=sha1 \
	-z relro -z noexecstack
ifeq ($(EMBEDDED),0)
SWIFT_OBJECTS := $(ARCHIVE)
LINK := swiftc -emit-library $(if $(SANITIZE),-sanitize=$(SANITIZE)) -static-stdlib -no-toolchain-stdlib-rpath \
	$(foreach flag,$(LINK_FLAGS),-Xlinker $(flag))
else
SWIFT_OBJECTS := $(EMBEDDED_OUT)/rtpproxy.bc $(EMBEDDED_OUT)/cposix.o
# The linker of Swift's toolchain: functions that came out the same are there once, which saves 14 KB. It also compiles
# what the compiler has left as bitcode, and sees by then that nobody outside calls most functions: those called from one
# place go there, which saves 21 KB and a twentieth of the instructions. With the usual threshold others would go, too,
# and 80 KB more. Loops and functions begin where they come, not at the next multiple of 16, loops with instructions that
# do nothing before it: 10 KB. A string that is the end of another one lies there (-O2): 10 KB, as a line of Kamailio's log is there twice.
# Of two conditions the second is looked at only where the first holds, instead of joining them for one jump: fewer by a
# fiftieth of the instructions.
LINK := $(CC) -shared -B$(dir $(shell readlink -f "$$(command -v swiftc)")) -fuse-ld=lld \
	$(foreach flag,$(LINK_FLAGS) --icf=all -O2 \
	$(foreach flag,-inline-threshold=50 -align-loops=1 -align-all-functions=1 -x86-br-merging-base-cost=0 \
	$(LOOP_FLAGS),-mllvm $(flag)),-Xlinker $(flag))
endif
LIBRARIES := $(shell pkg-config --libs libsystemd) -lm

# Before anything is built.
$(shell $(SUPPORT)/moved.sh)

.DELETE_ON_ERROR:
.DEFAULT_GOAL := module
.PHONY: module help setup ready test test-db sanitize valgrind check compare page dashboard format demo bench soak fuzz
.PHONY: install uninstall man package test-package containers test-containers clean kamailio-6.0 FORCE
FORCE:

module: $(MODULE) .build/contract ## build build/rtpproxy.so (the default)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9.%-]*:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# All that any target needs, so that no other one needs the network. What lies in .cache: a real RTPProxy and a real
# rtpengine, Kamailio 6.0.1, headers of both Kamailios, a Debian to install the package in.
setup: ## install all that building and testing need: with apt (as root), the rest in .cache
	@$(SUPPORT)/setup.sh install
	@$(MAKE) --no-print-directory build/kamailio.h KAMAILIO=
	@$(SUPPORT)/kamailio-packages.sh $(NEWER) .cache/kamailio-$(NEWER)
	@$(MAKE) --no-print-directory build/$(NEWER)/kamailio.h KAMAILIO=.cache/kamailio-$(NEWER) KAMAILIO_SRC=

# Tests install nothing, and name what is missing.
ready:
	@$(SUPPORT)/setup.sh look

# --- the module ---

$(MODULE): $(OBJECTS) $(SWIFT_OBJECTS) kamailio-glue/exports.map | $(MODULE_STRINGS)
	$(LINK) -o $@.linked $(OBJECTS) $(SWIFT_OBJECTS) $(LIBRARIES)
	objcopy --only-keep-debug $@.linked $@.debug
	strip --strip-unneeded --remove-section=.comment $@.linked
	cd $(OUT) && objcopy --add-gnu-debuglink=rtpproxy.so.debug rtpproxy.so.linked
	@$(SUPPORT)/check-strings.sh $@.linked $(MODULE_STRINGS) $(KAMAILIO)
	mv $@.linked $@

$(OUT)/glue/%.o: kamailio-glue/%.c $(OUT)/kamailio.h Makefile
	@mkdir -p $(@D)
	$(CC) $(GLUE_CFLAGS) -MD -MP -c $< -o $@

-include $(OBJECTS:.o=.d)

# Which sources these are: looked at each time, written only where it has changed.
$(OUT)/glue/version.o: build/version.h

build/version.h: FORCE
	@$(SUPPORT)/version.sh build '$(PACKAGE_VERSION)'

# Looked at each time, written only where the installed Kamailio is another one.
$(OUT)/kamailio.h: FORCE | $(MODULE_STRINGS)
	@mkdir -p $(OUT)
	@$(SUPPORT)/configure.sh $(OUT) $(MODULE_STRINGS) '$(KAMAILIO)' '$(KAMAILIO_SRC)'

$(MODULE_STRINGS): $(SUPPORT)/module-strings.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CFLAGS) -Wall -Wextra -Werror $< -o $@

# Valgrind does not read the debugging information of newer compilers; it has the names of the functions instead, and
# what unwinds them.
build/valgrind/rtpproxy.so: $(MODULE)
	@mkdir -p $(@D)
	$(LINK) -o $@ $(OBJECTS) $(SWIFT_OBJECTS) $(LIBRARIES)
	objcopy --strip-debug --keep-section=.debug_frame $@

# For tests: Kamailio's process memory from malloc().
build/system-memory.so: Tests/Host/Programs/system_memory.c $(OUT)/kamailio.h
	$(CC) $(GLUE_CFLAGS) -shared $< -o $@

$(EMBEDDED_OUT)/rtpproxy.bc: $(SWIFT_SOURCES) $(sort $(dir $(SWIFT_SOURCES))) $(EMBEDDED_MODULES) \
		$(wildcard Include/* Sources/CPosix/include/*) Makefile
	$(EMBEDDED_SWIFT) -O -g -file-prefix-map $(CURDIR)=. -Xfrontend -function-sections -module-name RTPProxy \
		$(foreach flag,$(LOOP_FLAGS),-Xllvm $(flag)) \
		-I $(EMBEDDED_OUT) -I Include -I Sources/CPosix/include -lto=llvm-full -emit-bc -o $@ $(SWIFT_SOURCES)
	@touch $@ # which the compiler leaves as it is where the code has not changed

$(EMBEDDED_OUT)/%.swiftmodule:
	@mkdir -p $(@D)
	@touch $(EMBEDDED_OUT)/empty.swift
	@$(EMBEDDED_SWIFT) -emit-module -module-name $* -emit-module-path $@ $(EMBEDDED_OUT)/empty.swift

$(EMBEDDED_OUT)/cposix.o: $(wildcard Sources/CPosix/*.c Sources/CPosix/include/*) Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CFLAGS) -O2 $(NO_UNWIND_TABLES) -fPIC -ffunction-sections -Wall -Wextra -ISources/CPosix/include \
		-c Sources/CPosix/cposix.c -o $@

# SwiftPM does not see that a header of a system library has changed: what imports the contract is made anew.
.build/contract: $(wildcard Include/*)
	@mkdir -p $(@D)
	touch $@ Sources/ModuleABI/*.swift Tests/ModuleABITests/*.swift Tests/Fuzz/Properties/*.swift

# SwiftPM knows what else has changed. It adds to an archive and takes nothing out, so where a source file is gone the
# archive is made anew.
$(ARCHIVE): FORCE .build/contract
	$(SWIFT_BUILD)
	@test "$$(ar t $@ | wc -l)" -eq "$$(wc -l <$(ARCHIVED))" || { rm $@ && $(SWIFT_BUILD); }

# --- tests ---

# With another Kamailio only what depends on Kamailio is tested.
test: ready ## build and run every test; with KAMAILIO=: the tests in Kamailio
	@$(MAKE) --no-print-directory module
	swift build --build-tests
	RTPPROXY_MODULE='$(abspath $(MODULE))' KAMAILIO='$(abspath $(KAMAILIO))' \
		$(SUPPORT)/test.sh $(if $(KAMAILIO),--filter 'KamailioTests|DatabaseTests')

# Without this, only db_sqlite is tested.
test-db: ## read the sets from SQLite, MariaDB and PostgreSQL, servers of its own
	@$(SUPPORT)/setup.sh look databases
	@$(MAKE) --no-print-directory module
	swift build --build-tests
	RTPPROXY_MODULE='$(abspath $(MODULE))' RTPPROXY_DATABASES='sqlite mysql postgres' \
		swift test --skip-build --filter DatabaseTests

sanitize: ready ## `make compare` and the tests in Kamailio with AddressSanitizer, threads with ThreadSanitizer
	@$(MAKE) --no-print-directory module build/system-memory.so
	@$(MAKE) --no-print-directory module SANITIZE=address
	swift build --build-tests
	swift build --product compare
	@$(SUPPORT)/sanitize.sh address build/address/rtpproxy.so $(if $(filter-out 0,$(QUICK)),quick)
	@$(SUPPORT)/sanitize.sh thread

valgrind: ready ## `make compare` with Valgrind; QUICK=1 for both of these: a part of them
	@$(SUPPORT)/setup.sh look memory
	@$(MAKE) --no-print-directory build/valgrind/rtpproxy.so build/system-memory.so
	swift build --product compare
	@$(SUPPORT)/sanitize.sh valgrind build/valgrind/rtpproxy.so $(if $(filter-out 0,$(QUICK)),quick)

check: module $(ARCHIVE) ## formatting, warnings, licence lines, what the module links and exports
	@$(SUPPORT)/check.sh $(MODULE) $(KAMAILIO)

format: ## format Swift and C in place
	swift format --in-place --recursive Sources Tests Package.swift
	clang-format -i $$(find kamailio-glue scripts Tests/Host Tests/Bench Tests/Stepping Tests/Namespaces -name '*.[ch]')

compare: ready ## the same messages through the distribution's module and this one; CASE='text' for some of them
	@$(MAKE) --no-print-directory module
	RTPPROXY_MODULE='$(abspath $(MODULE))' KAMAILIO='$(abspath $(KAMAILIO))' \
		swift run compare $(if $(CASE),--show '$(CASE)')

page: ## write the list of differences in docs/operator/migration.md from Tests/Compare
	swift run compare --page

dashboard: ## write the panels of examples/prometheus/dashboard.json into the console page for Prometheus beside it
	$(SUPPORT)/console.py >build/rtpproxy.html
	cp build/rtpproxy.html examples/prometheus/rtpproxy.html

demo: ## place a call through Kamailio and a real RTPProxy, or RELAY=rtpengine, and show it; ASYNC=1: asynchronously; WEBRTC=1: with a browser
	@$(SUPPORT)/setup.sh install basics
	@$(MAKE) --no-print-directory module
	RTPPROXY_MODULE='$(abspath $(MODULE))' KAMAILIO='$(abspath $(KAMAILIO))' swift run demo \
		$(if $(filter-out 0,$(WEBRTC)),webrtc,$(if $(filter-out 0,$(ASYNC)),async) $(RELAY))

bench: ready ## measure the packaged module and this one in turn; `make bench FIGURES=help` says more
	@$(MAKE) --no-print-directory module
	@$(if $(findstring instructions,$(FIGURES)),$(SUPPORT)/setup.sh look memory)
	swift build -c release --product bench $(SWIFT_FLAGS)
	@RTPPROXY_MODULE='$(abspath $(MODULE))' KAMAILIO='$(abspath $(KAMAILIO))' .build/release/bench \
		FIGURES='$(FIGURES)' RUNS='$(RUNS)' QUICK='$(QUICK)' AGAINST='$(abspath $(AGAINST))'

soak: ready ## a million calls while relays are restarted and changed: nothing may be left or grow; QUICK=1: three minutes; RELAY=rtpengine: 10000 calls through a real one; HOSTS=3: through three Kamailios
	@$(MAKE) --no-print-directory module
	swift build -c release --product bench $(SWIFT_FLAGS)
	@RTPPROXY_MODULE='$(abspath $(MODULE))' KAMAILIO='$(abspath $(KAMAILIO))' .build/release/bench soak \
		CALLS='$(CALLS)' MINUTES='$(MINUTES)' QUICK='$(QUICK)' RELAY='$(RELAY)' HOSTS='$(HOSTS)' WEBRTC='$(WEBRTC)'

fuzz: ready ## look for inputs that break a property, SECONDS=60 per target; TARGET=name, CORPUS=folder of seeds
	@$(SUPPORT)/fuzz.sh '$(SECONDS)' '$(TARGET)' '$(if $(CORPUS),$(abspath $(CORPUS)))'

# Unpacks the Kamailio of a newer Debian beside the machine's own and builds for it.
kamailio-%: ## unpack another Kamailio, say 6.0.1, into .cache/kamailio-6.0.1, and build for it
	$(SUPPORT)/kamailio-packages.sh $* .cache/kamailio-$*
	@$(MAKE) --no-print-directory module KAMAILIO=.cache/kamailio-$*

kamailio-6.0: kamailio-$(NEWER) ## the same for the newest series that is tested

# --- installation ---

# What is built is taken as it is, so that `make` can be a user's and `sudo make install` need no Swift.
install: $(if $(wildcard $(MODULE)),,module) ## put the module where the installed Kamailio finds it (DESTDIR)
	@$(SUPPORT)/install.sh install $(MODULE) '$(DESTDIR)' '$(abspath $(KAMAILIO))'

uninstall: ## take it away again and bring the packaged module back
	@$(SUPPORT)/install.sh uninstall $(MODULE) '$(DESTDIR)' '$(abspath $(KAMAILIO))'

man: build/kamailio-rtpproxy.5 ## make the manual page kamailio-rtpproxy(5) of the pages in docs/operator

build/kamailio-rtpproxy.5: $(foreach page,parameters functions variables rpc,docs/operator/$(page).md) $(SUPPORT)/man.sh
	@mkdir -p $(@D)
	$(SUPPORT)/man.sh >$@

package: module ## make a Debian package of it, and one of its debug symbols, beside the module
	@$(SUPPORT)/package.sh $(MODULE) $(OUT) '$(KAMAILIO)' '$(PACKAGE_VERSION)'

test-package: ## install, upgrade, remove and purge the package in a Debian of its own below .cache (as root), lintian
	@$(SUPPORT)/setup.sh look packages
	@$(MAKE) --no-print-directory module
	@$(SUPPORT)/test-package.sh $(MODULE)

# What is built is taken as it is, as by `make install`. Where no image can be built, the folder to build in is there.
containers: $(if $(wildcard $(MODULE)),,module) ## images of Kamailio with the module and of RTPProxy, for docker and podman
	@if reason=$$($(SUPPORT)/containers.sh possible); then \
		$(SUPPORT)/containers.sh archive $(MODULE) $(OUT)/containers; \
	else \
		$(SUPPORT)/containers.sh prepare $(MODULE) $(OUT)/containers && \
		echo "prepared $(OUT)/containers, and built no image: $$reason"; \
	fi

test-containers: ## build these images, start one of each in a network of its own, and make a call through both (as root)
	@$(SUPPORT)/setup.sh look containers
	@$(MAKE) --no-print-directory module
	@$(SUPPORT)/test-containers.sh $(MODULE)

clean: ## remove what was built; .cache stays
	rm -rf build .build
