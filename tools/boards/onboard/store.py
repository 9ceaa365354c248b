import binascii
import hashlib
import os

STAGE = "deploy.new"  # what comes stands here until all of it is there and has been checked
PACKAGE = "device"
HOME = "lib/device"  # behind the firmware's own modules in sys.path, so that a frozen package comes first


def exists(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def digest(path):
    """SHA-256 in hex, "" if there is no such file."""
    sha = hashlib.sha256()
    block = bytearray(512)
    view = memoryview(block)
    try:
        with open(path, "rb") as file:
            while True:
                count = file.readinto(block)
                if not count:
                    return binascii.hexlify(sha.digest()).decode()
                sha.update(view[:count])
    except OSError:
        return ""


def digests(paths):
    return [digest(path) for path in paths]


def list_files(folder):
    """The paths of all files below a folder, none if there is no folder."""
    found = []
    try:
        entries = list(os.ilistdir(folder))
    except OSError:
        return found
    for entry in entries:
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            found.extend(list_files(path))
        else:
            found.append(path)
    return found


def first_line(path):
    try:
        with open(path) as file:
            return file.readline()
    except (OSError, ValueError):
        return ""


def free_bytes():
    facts = os.statvfs("/")
    return facts[0] * facts[3]


def remove_tree(path):
    try:
        entries = list(os.ilistdir(path))
    except OSError:
        return
    for entry in entries:
        inner = path + "/" + entry[0]
        if entry[1] == 0x4000:
            remove_tree(inner)
        else:
            os.remove(inner)
    os.rmdir(path)


def make_folders(path):
    """Those that this file needs."""
    at = path.find("/")
    while at > 0:
        if not exists(path[:at]):
            os.mkdir(path[:at])
        at = path.find("/", at + 1)


def begin():
    remove_tree(STAGE)
    os.mkdir(STAGE)


def put(path, text, is_first):
    """Write or append base64 text to a file of the stage."""
    path = STAGE + "/" + path
    if is_first:
        make_folders(path)
    with open(path, "wb" if is_first else "ab") as file:
        file.write(binascii.a2b_base64(text))


def keep(old, path):
    """A file that has not changed, copied for the stage."""
    path = STAGE + "/" + path
    make_folders(path)
    block = bytearray(512)
    view = memoryview(block)
    with open(old, "rb") as source, open(path, "wb") as target:
        while True:
            count = source.readinto(block)
            if not count:
                return
            target.write(view[:count])


def live_package():
    """The folder from which the package would be imported, if the firmware holds none; "" = nowhere."""
    for folder in (PACKAGE, HOME):
        if exists(folder + "/__init__.py") or exists(folder + "/__init__.mpy"):
            return folder
    return ""


def commit(paths, obsolete):
    """Everything in the stage takes its place, the package first. A power cut leaves the old or the new
    package, and each other file old or new."""
    if exists(STAGE + "/" + PACKAGE):
        swap_package()
    for path in paths:
        make_folders(path)
        os.rename(STAGE + "/" + path, path)
    for path in obsolete:
        if exists(path):
            os.remove(path)
    remove_tree(STAGE)


def swap_package():
    """Whenever the power goes, one whole package is found: "device" comes before "lib/device"."""
    if not exists("lib"):
        os.mkdir("lib")
    if not exists(PACKAGE):
        os.rename(STAGE + "/" + PACKAGE, PACKAGE)
        remove_tree(HOME)
        os.rename(PACKAGE, HOME)
    else:
        remove_tree(HOME)
        os.rename(STAGE + "/" + PACKAGE, HOME)
        os.rename(PACKAGE, STAGE + "/old")
