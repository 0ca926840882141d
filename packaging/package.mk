# Installing, and what is handed on: a tarball, a .deb, an .rpm. Included by the Makefile.

# FHS places; packages of a distribution set PREFIX=/usr and the last three.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/gatherd
UNITDIR ?= $(PREFIX)/lib/systemd/system
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
DESTDIR ?=
INSTALL ?= install

UNITS := $(wildcard systemd/*.service systemd/*.socket)
MANUALS_5 := $(wildcard docs/man/*.5)
MANUALS_8 := $(wildcard docs/man/*.8)
PAGES := README.md CHANGELOG.md LICENSE $(wildcard docs/*.md)
EXAMPLES := conf/demo.yaml conf/three-posts.json conf/alerts.yaml \
	conf/grafana-dashboard.json $(wildcard conf/examples/*)
EXAMPLES += $(wildcard conf/proxies/*) packaging/gatherd.logrotate

INSTALLED_IN := $(BINDIR) $(UNITDIR) $(MANDIR)/man5 $(MANDIR)/man8 $(DOCDIR)/examples $(BASHCOMPDIR) \
	$(ZSHCOMPDIR) $(SYSCONFDIR)/gatherd/conf.d
INSTALLED_DATA := $(MANUALS_5:docs/man/%=$(MANDIR)/man5/%) $(MANUALS_8:docs/man/%=$(MANDIR)/man8/%) \
	$(addprefix $(DOCDIR)/,$(notdir $(PAGES))) $(addprefix $(DOCDIR)/examples/,$(notdir $(EXAMPLES))) \
	$(BASHCOMPDIR)/gatherd $(ZSHCOMPDIR)/_gatherd

.PHONY: install uninstall
install: $(BUILD)/gatherd
	for place in $(INSTALLED_IN); do $(INSTALL) -d "$(DESTDIR)$$place" || exit 1; done
	$(INSTALL) -m 755 $(BUILD)/gatherd "$(DESTDIR)$(BINDIR)/gatherd"
	$(INSTALL) -m 644 $(MANUALS_5) "$(DESTDIR)$(MANDIR)/man5/"
	$(INSTALL) -m 644 $(MANUALS_8) "$(DESTDIR)$(MANDIR)/man8/"
	$(INSTALL) -m 644 $(PAGES) "$(DESTDIR)$(DOCDIR)/"
	$(INSTALL) -m 644 $(EXAMPLES) "$(DESTDIR)$(DOCDIR)/examples/"
	$(INSTALL) -m 644 packaging/completion/gatherd.bash "$(DESTDIR)$(BASHCOMPDIR)/gatherd"
	$(INSTALL) -m 644 packaging/completion/gatherd.zsh "$(DESTDIR)$(ZSHCOMPDIR)/_gatherd"
	for unit in $(notdir $(UNITS)); do \
		sed 's|/usr/bin/gatherd|$(BINDIR)/gatherd|; s|/etc/gatherd|$(SYSCONFDIR)/gatherd|' systemd/$$unit \
			> "$(DESTDIR)$(UNITDIR)/$$unit" && chmod 644 "$(DESTDIR)$(UNITDIR)/$$unit" || exit 1; done
	test -e "$(DESTDIR)$(SYSCONFDIR)/gatherd/gatherd.yaml" || \
		$(INSTALL) -m 644 conf/gatherd.yaml "$(DESTDIR)$(SYSCONFDIR)/gatherd/gatherd.yaml"

# The configuration stays, since it may be the administrator's by now.
uninstall:
	for file in $(BINDIR)/gatherd $(INSTALLED_DATA) $(UNITS:systemd/%=$(UNITDIR)/%); do \
		rm -f "$(DESTDIR)$$file" || exit 1; done
	for place in $(DOCDIR)/examples $(DOCDIR); do \
		test ! -d "$(DESTDIR)$$place" || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$place" || exit 1; done

# --- Packages --------------------------------------------------------------------

ENGINE ?= podman
.PHONY: dist deb rpm container check-packages check-container check-autopkgtest \
	check-reproducible check-release check-debian13 check-service
DIST := $(BUILD)/gatherd-$(VERSION).tar.gz

# What git tracks, as it is in the work tree; nothing of this machine or hour gets in.
dist:
	$(QUIET)packaging/dist.sh $(VERSION) $(DIST)

# The packages need what `make deps-package` installs.
deb: dist
	$(QUIET)packaging/build-deb.sh $(DIST) $(BUILD)/deb

rpm: dist
	$(QUIET)packaging/build-rpm.sh $(DIST) $(BUILD)/rpm

container: dist
	$(QUIET)rm -rf $(BUILD)/container && mkdir -p $(BUILD)/container
	$(QUIET)tar -x -C $(BUILD)/container --strip-components=1 -f $(DIST)
	$(QUIET)$(ENGINE) build -f packaging/Containerfile -t gatherd:$(VERSION) $(BUILD)/container

# Each prints what it looks at, and installs what it needs. All but check-reproducible need root;
# TREE= is a bare Debian (debootstrap --variant=minbase) to use a copy of, or they fetch one.
check-reproducible: deps-package
	$(QUIET)packaging/check-reproducible.sh

check-packages:
	@packaging/deps.sh package systemd
	@$(MAKE) -s deb rpm
	$(QUIET)packaging/check.sh $(BUILD) $(TREE)

check-autopkgtest:
	@packaging/deps.sh package systemd
	@$(MAKE) -s deb
	$(QUIET)packaging/check-autopkgtest.sh $(BUILD) $(TREE)

check-container: deps-container
	@$(MAKE) -s dist
	$(QUIET)packaging/check-container.sh $(DIST) $(TREE)

# The README's two commands on a bare Debian of SUITE=.
check-release: deps-release
	@mkdir -p $(BUILD)
	$(QUIET)packaging/check-release.sh $(BUILD) $(SUITE) $(TREE)

check-debian13: SUITE := trixie
check-debian13: check-release

# What operators rely on, in order, and one summary. TREE= and SUITE= as for the single checks.
check-service:
	@mkdir -p $(BUILD)
	$(QUIET)MAKE="$(MAKE)" packaging/check-service.sh $(BUILD)
