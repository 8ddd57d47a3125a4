"""Sources of samples: .npz files, mapped files and folders of images, and clear errors for what is broken."""

import pickle
import tracemalloc

import numpy as np
import pytest
from PIL import Image

import xpnet
from xpnet.data import Arrays, ImageFolder, Loader, MappedArrays, Subset, augment, hold_out, read_npz
from xpnet.errors import DataError, DTypeError, FileError, FormatError, OptionError, ShapeError

X = np.random.default_rng(0).random((12, 3), np.float32)
T = np.arange(12)


def test_npz_files_are_read(tmp_path):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "data.npz", x=X, t=T, w=X[:, 0])
        x, t = read_npz(tmp_path / "data.npz")[np.array([3, 1])]
        assert np.array_equal(x, X[[3, 1]]) and t.tolist() == [3, 1]
        assert len(read_npz(str(tmp_path / "data.npz"), ("x", "t", "w"))[:2]) == 3
        assert np.array_equal(read_npz(tmp_path / "data.npz", "x")[:], X)


def test_npz_files_that_are_none_are_refused(tmp_path):
    path = tmp_path / "data.npz"
    with pytest.raises(FileError, match="No such file"):
        read_npz(path)
    np.savez(path, x=X, labels=T)
    with pytest.raises(DataError, match="holds no array 't', but x, labels"):
        read_npz(path)
    with pytest.raises(DataError, match="12 and 5 samples"):
        np.savez(path, x=X, t=T[:5])
        read_npz(path)
    for objects in ([{}] * 12, [None] * 1000):  # whose pickle is smaller than as many pointers
        np.savez(path, x=X, t=np.array(objects))
        with pytest.raises(FormatError, match=r"cannot be read as an \.npz file"):
            read_npz(path)
    np.savez(path, x=np.array(["a"] * 12), t=T)
    with pytest.raises(DTypeError, match="expected numbers"):
        read_npz(path)
    np.savez(path, x=X, t=T)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FormatError):
        read_npz(path)
    path.write_bytes(b"PK but not really")
    with pytest.raises(FormatError):
        read_npz(path)
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(FormatError, match=r"no \.npz file"):
        read_npz(tmp_path / "x.npy")


def test_mapped_arrays_stay_on_the_disk(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (60_000, 1, 40, 40))  # 96 MB, with holes
    x[59_999] = 255
    del x
    np.save(tmp_path / "t.npy", np.arange(60_000))
    tracemalloc.start()
    try:
        source = MappedArrays(tmp_path / "x.npy", tmp_path / "t.npy")
        loader = Loader(source, 100, shuffle=True)
        assert len(loader) == 600
        x, t = next(iter(loader.starting_at(598)))
        assert x.shape == (100, 1, 40, 40) and x.dtype == np.float32
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    finally:
        tracemalloc.stop()
    x, t = source[np.array([59_999, 0])]
    assert (x[0] == 255).all() and (x[1] == 0).all() and t.tolist() == [59_999, 0]
    x[:] = 7  # a copy, not the file
    assert (source[np.array([0])][0] == 0).all()


def test_mapped_arrays_are_sent_to_processes_as_paths(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1000, 1000), np.float32))
    source = MappedArrays(tmp_path / "x.npy")
    sent = pickle.dumps(source)
    assert len(sent) < 2000
    assert pickle.loads(sent)[np.array([2])].shape == (1, 1000)


def test_files_that_cannot_be_mapped_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"x\.npy: No such file"):
        MappedArrays(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(b"nothing like it")
    with pytest.raises(FormatError, match="cannot be mapped"):
        MappedArrays(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(FormatError, match="cannot be mapped"):
        MappedArrays(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "t.npy", T[:3])
    with pytest.raises(DataError, match="12 and 3 samples"):
        MappedArrays(tmp_path / "x.npy", tmp_path / "t.npy")


def test_a_memory_map_in_arrays_is_not_read_whole(tmp_path):
    np.save(tmp_path / "x.npy", X)
    source = Arrays(np.load(tmp_path / "x.npy", mmap_mode="r"), T)
    assert isinstance(source.arrays[0], np.memmap)
    assert type(source[np.array([1])][0]) is np.ndarray


# ---- folders of images -----------------------------------------------------------------------------------------------


def picture(path, colour=(255, 0, 0), size=(6, 4), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    for name in ("class 10", "class 2", "Class 1"):
        for i in (1, 2, 10):
            picture(tmp_path / name / f"{i}.png", (len(name), i, 7))
    for name in (".DS_Store", "Thumbs.db", "class 2/desktop.ini"):
        (tmp_path / name).write_text("what systems leave there")
    (tmp_path / ".cache").mkdir()
    picture(tmp_path / "class 2" / ".hidden.png")
    return tmp_path


def test_classes_and_images_are_in_natural_order(folder):
    source = ImageFolder(folder)
    assert source.classes == ["Class 1", "class 2", "class 10"] and len(source) == 9
    x, t = source[np.arange(9)]
    assert x.shape == (9, 3, 4, 6) and x.dtype == np.uint8 and t.dtype == np.int64
    assert t.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert x[:, 1, 0, 0].tolist() == [1, 2, 10] * 3 and x[:, 0, 0, 0].tolist() == [7] * 6 + [8] * 3
    x, t = source[np.array([8, 0])]
    assert t.tolist() == [2, 0] and x[0, :, 0, 0].tolist() == [8, 10, 7]
    assert source.name(8).endswith("class 10/10.png")


def test_images_in_folders_of_a_class_belong_to_it(folder):
    picture(folder / "class 2" / "more" / "3.JPG")
    assert len(ImageFolder(folder)) == 10


def test_what_is_left_out_is_counted_and_named(folder):
    assert len(ImageFolder(folder)) == 9  # of hidden files, and of what systems leave, there is no word
    (folder / "class 2" / "IMG.HEIC").write_bytes(b"a format that is not read")
    with pytest.warns(UserWarning, match=r"left out is 1 file: class 2/IMG\.HEIC; an image lies in the") as caught:
        assert len(ImageFolder(folder)) == 9
    assert len(caught) == 1 and caught[0].filename == __file__
    picture(folder / "loose.png")  # of no class
    for i in range(13):
        (folder / "Class 1" / f"{i}.txt").write_text("no image")
    with pytest.warns(UserWarning, match=r"left out are 15 files: Class 1/0\.txt, .* and 12 more; an image") as caught:
        ImageFolder(folder)
    (warning,) = caught
    assert "\n" not in str(warning.message) and ".jfif" in str(warning.message)
    (folder / "empty").mkdir()
    (folder / "empty" / "a\nb.heic").write_text("")
    with pytest.raises(DataError, match=r"empty holds no image, but 1 file: 'a\\nb\.heic'; expected files"):
        ImageFolder(folder)


def test_jfif_is_a_jpeg(folder):
    picture(folder / "Class 1" / "11.jfif", format="JPEG")
    assert len(ImageFolder(folder)) == 10


def test_linked_folders_are_looked_into_once(folder, tmp_path_factory):
    """Also a class that is a link; no link leads round and round, or to other classes by way of a folder around."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    picture(elsewhere / "far" / "1.png", (1, 2, 3))
    links = {
        "class 2/there": elsewhere,
        "class 2/zz": elsewhere / "far",  # there already
        "class 2/loop": folder / "class 2",
        "class 2/up": folder,
        "class 3": elsewhere,
    }
    for name, target in links.items():
        (folder / name).symlink_to(target, target_is_directory=True)
    (elsewhere / "back").symlink_to(folder / "class 2", target_is_directory=True)
    source = ImageFolder(folder)
    names = [path.relative_to(folder).as_posix() for path in source.paths]
    assert source.classes == ["Class 1", "class 2", "class 3", "class 10"]
    assert [name for name in names if name.startswith("class 2")] == [
        *(f"class 2/{i}.png" for i in (1, 2, 10)),
        "class 2/there/far/1.png",
    ]
    assert "class 3/far/1.png" in names
    assert source[:][0].shape == (len(source), 3, 4, 6)


def test_size_grayscale_and_fit(folder, tmp_path):
    x, _ = ImageFolder(folder, size=(2, 3), grayscale=True)[:]
    assert x.shape == (9, 1, 2, 3)
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = 200  # bright in the middle
    other = tmp_path / "other" / "a"
    other.mkdir(parents=True)
    Image.fromarray(wide).save(other / "wide.png")
    crop, _ = ImageFolder(other.parent, size=4)[:]
    stretch, _ = ImageFolder(other.parent, size=4, fit="stretch")[:]
    assert (crop == 200).all() and crop.shape == (1, 3, 4, 4)
    assert stretch[0, 0, 0, 0] < 60 and stretch.max() > 150


def test_modes_become_eight_bits(tmp_path):
    a = tmp_path / "a"
    a.mkdir()
    Image.fromarray(np.full((4, 6), 0x8000, np.uint16)).save(a / "1.png")
    picture(a / "2.png", (255, 255, 255, 0), mode="RGBA")
    picture(a / "3.png", 1, mode="1")
    Image.new("L", (6, 4), 90).convert("P").save(a / "4.gif")
    x, _ = ImageFolder(tmp_path)[:]
    assert x[:, 0, 0, 0].tolist() == [128, 0, 255, 90]


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_numbers_of_32_bits_have_no_known_range(tmp_path, dtype):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.ones((4, 6), dtype)).save(tmp_path / "a" / "1.tif")
    with pytest.raises(FormatError, match=r"1\.tif cannot be read as an image .*32 bits, of which nobody knows"):
        ImageFolder(tmp_path)[:]


def test_a_part_of_a_folder_is_held_out(folder):
    """Nothing is read before it is asked for, and each class is in both parts."""
    source = ImageFolder(folder)
    train, held_out = hold_out(source, 1 / 3, seed=1)
    assert len(train) == 6 and len(held_out) == 3
    assert sorted([*train.indices, *held_out.indices]) == list(range(9))
    x, t = held_out[np.arange(3)]
    assert t.tolist() == [0, 1, 2] and np.array_equal(x, source[held_out.indices][0])
    assert train.name(5) == source.name(train.indices[5])
    assert np.array_equal(hold_out(source, 1 / 3, seed=1)[1].indices, held_out.indices)
    assert held_out.classes == source.classes and held_out.labels.tolist() == [0, 1, 2]
    first, second = hold_out(train, 1 / 2)  # of each class again
    assert first.labels.tolist() == second.labels.tolist() == [0, 1, 2]
    assert second.name(2) == train.name(int(second.indices[2])) and "labels" not in vars(first)
    batches = list(Loader(held_out, 2, shuffle=False))
    assert [len(x) for x, _ in batches] == [2, 1] and batches[0][0].dtype == np.float32
    (folder / "class 2" / "2.png").write_bytes(b"")
    broken = Subset(source, [4, 3])
    with pytest.raises(FormatError, match="cannot be read as an image"):
        list(Loader(broken, 2))


def test_a_part_of_other_sources_is_drawn_at_random():
    xpnet.seed(1)
    train, held_out = hold_out(Arrays(X, T), 0.25)
    assert len(train) == 9 and len(held_out) == 3 and held_out.indices.tolist() != [9, 10, 11]
    assert np.array_equal(held_out[:][1], T[held_out.indices])
    part = Subset(Arrays(X, T), [5])
    assert part.name(0) == "sample 5" and not any(hasattr(part, name) for name in ("labels", "classes", "preparation"))
    for indices, error, words in (
        ([], DataError, "no samples"),
        ([12], OptionError, "numbers from 0 to 11; they reach from 12 to 12"),
        ([-1], OptionError, "numbers from 0 to 11"),
        ([0.5], OptionError, "numbers of samples"),
    ):
        with pytest.raises(error, match=words):
            Subset(Arrays(X, T), indices)
    with pytest.raises(OptionError, match="greater than 0 and less than 1"):
        hold_out(Arrays(X, T), 1)
    for make in (lambda: hold_out("photos", 0.2), lambda: Subset("photos", [0]), lambda: Loader("photos")):
        with pytest.raises(OptionError, match=r"takes no path, .*data\.ImageFolder for a folder of images"):
            make()


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    picture(tmp_path / "a" / "1.jpg", size=(6, 4), exif=exif)
    assert ImageFolder(tmp_path)[:][0].shape == (1, 3, 6, 4)


def test_the_loader_reads_folders_with_threads_and_processes(folder):
    def batches(**options):
        xpnet.seed(1)
        loader = Loader(ImageFolder(folder, size=8), 4, augment=augment.Flip(), **options)
        found = [(x.tobytes(), t.tobytes()) for x, t in loader]
        loader.close()
        return found

    expected = batches(prefetch=0)
    assert batches(workers=3) == expected and batches(workers=2, processes=True) == expected
    x, _ = next(iter(Loader(ImageFolder(folder, size=8), 4)))
    assert x.dtype == np.float32 and x.max() <= 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named(folder, workers):
    path = folder / "class 2" / "2.png"
    for content in (path.read_bytes()[:45], b"GIF89a nothing", b""):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=r"class 2.2\.png cannot be read as an image .*replace or remove it"):
            list(Loader(ImageFolder(folder), 2, workers=workers))
    path.unlink()
    source = ImageFolder(folder)
    (folder / "class 2" / "1.png").unlink()
    with pytest.raises(FileError, match=r"1\.png: No such file"):
        list(Loader(source, 2, workers=workers))


def test_an_image_of_another_size_is_named(folder):
    picture(folder / "class 2" / "2.png", size=(5, 4))
    with pytest.raises(ShapeError, match=r"2\.png has 4 x 5 pixels, and .*1\.png has 4 x 6; .*size="):
        ImageFolder(folder)[:]
    assert ImageFolder(folder, size=4)[:][0].shape == (9, 3, 4, 4)


def test_an_image_that_is_suspiciously_large_is_refused(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(FormatError, match="cannot be read"):
        ImageFolder(folder)[:]


def test_folders_without_classes_or_images_are_refused(tmp_path):
    with pytest.raises(FileError, match="cannot read"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no folder; expected one for each class"):
        ImageFolder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no image"):
        ImageFolder(tmp_path)
    picture(tmp_path / "empty" / "1.png")
    for size in (0, (1, 2, 3), 2.5):
        with pytest.raises(OptionError, match="size must be"):
            ImageFolder(tmp_path, size=size)
    with pytest.raises(OptionError, match="fit must be"):
        ImageFolder(tmp_path, fit="pad")
