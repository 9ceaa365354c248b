import binascii
import hashlib
import os

HOME = "lib/device"  # behind the firmware's own modules in sys.path, so that a frozen package comes first
ROOT = "device"  # where others may have put it; it comes before the firmware's
COMING = "lib/device.new"  # a package on its way: whole or not
GOING = "lib/device.old"
POINTER = "lib/device.py"  # makes COMING the package while there is no HOME
SUFFIX = ".deploy"  # of any other file on its way


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


def stage(path):
    """Where this file is put first: in the folder that it is for, because LittleFS shows other files of a
    folder wrongly after a power cut in a rename from one to another."""
    if path.startswith(HOME + "/"):
        return COMING + path[len(HOME) :]
    return path + SUFFIX


def begin():
    """Finish or forget what an earlier try has left."""
    if exists(POINTER) and not exists(HOME):
        settle()
    for folder in (COMING, GOING, ROOT + ".old"):
        remove_tree(folder)
    if exists(POINTER):
        os.remove(POINTER)


def put(path, text, is_first):
    """Write or append base64 (bytes) to a file on its way to this path."""
    target = stage(path)
    if is_first:
        make_folders(target)
    with open(target, "wb" if is_first else "ab") as file:
        file.write(binascii.a2b_base64(text))


def keep(old, path):
    """A file that has not changed."""
    target = stage(path)
    make_folders(target)
    block = bytearray(512)
    view = memoryview(block)
    with open(old, "rb") as source, open(target, "wb") as copy:
        while True:
            count = source.readinto(block)
            if not count:
                return
            copy.write(view[:count])


def staged_digests(paths):
    return [digest(stage(path)) for path in paths]


def live_package():
    """The folder from which the package would be imported, if the firmware holds none; "" = nowhere."""
    for folder in (ROOT, HOME):
        if exists(folder + "/__init__.py") or exists(folder + "/__init__.mpy"):
            return folder
    return COMING if exists(POINTER) else ""


def commit(has_package, paths, obsolete):
    """All that is on its way takes its place, the package first. Whenever the power goes, the package is the
    old one or the new one, and each other file old or new."""
    if has_package:
        swap_package()
    for path in paths:
        os.rename(stage(path), path)
    for path in obsolete:
        if exists(path):
            os.remove(path)


def swap_package():
    """Each step is one commit of the file system, and after each there is a whole package."""
    if exists(HOME):
        with open(POINTER + SUFFIX, "w") as file:
            file.write('__path__ = "/' + COMING + '"\n')
        os.rename(POINTER + SUFFIX, POINTER)
        os.rename(HOME, GOING)  # a folder would come before the pointer
    settle()
    if exists(ROOT):
        os.rename(ROOT, ROOT + ".old")
        remove_tree(ROOT + ".old")


def settle():
    os.rename(COMING, HOME)
    if exists(POINTER):
        os.remove(POINTER)
    remove_tree(GOING)
