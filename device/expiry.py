"""A warning long before a certificate of this board ends: nobody can reach it afterwards."""

from micropython import const

from . import certs, clock, config, errors, log

_WARN_DAYS = const(90)


def warn(settings):
    """A line in the log for each certificate that ends soon, or cannot be read."""
    names = [settings.file_ca]
    if settings.broker.startswith("mqtts://"):
        names += [settings.broker_ca, settings.client_cert]
    for name in names:
        try:
            for certificate in certs.split(config.read_file(name)):
                days = (clock.unix(*certs.end_of(certificate)) - clock.now()) // 86400
                if days < _WARN_DAYS:
                    log.warning("%s ends in %d days: renew it" % (name, days))
        except errors.OtaError as error:
            log.warning("%s: %s" % (name, error.detail))
