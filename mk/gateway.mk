# fhir-gateway: a program of its own beside the extension; it never includes the server's headers.
GATEWAY_SOURCES = $(wildcard src/gateway/*.c)
GATEWAY_OBJS = $(GATEWAY_SOURCES:.c=.o)
GATEWAY_PACKAGES = jansson libpq openssl zlib
# only asked when the gateway is built, so that the extension builds without these packages
GATEWAY_CFLAGS = -std=gnu17 -O2 -g -Wall -Wextra -fvisibility=hidden -fstack-protector-strong -pthread \
                 $(if $(WERROR),-Werror) -DFHIR_VERSION='"$(EXTVERSION)"' $$(pkg-config --cflags $(GATEWAY_PACKAGES))
EXTRA_CLEAN += $(GATEWAY_OBJS) fhir-gateway

all: gateway
.PHONY: gateway install-gateway uninstall-gateway
gateway: fhir-gateway

fhir-gateway: $(GATEWAY_OBJS)
	$(CC) -pthread -o $@ $(GATEWAY_OBJS) $$(pkg-config --libs $(GATEWAY_PACKAGES)) $(GATEWAY_LDFLAGS)

$(GATEWAY_OBJS): %.o: %.c $(wildcard src/gateway/*.h) mk/gateway.mk
	$(CC) $(GATEWAY_CFLAGS) -c -o $@ $<

install: install-gateway
install-gateway: fhir-gateway
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) fhir-gateway '$(DESTDIR)$(bindir)/fhir-gateway'

uninstall: uninstall-gateway
uninstall-gateway:
	rm -f '$(DESTDIR)$(bindir)/fhir-gateway'
